#!/bin/sh
# Makes the certificates of the TLS tests in an empty directory: an authority
# (ca.pem), one that nobody trusts (other-ca.pem), and of each leaf NAME.pem and
# NAME.key. openssl(1) is used with either TLS library.
set -eu
cd "$1"
exec 2>openssl.log

cat >ca.conf <<'CONF'
[ca]
default_ca = any
[any]
database = index.txt
serial = serial
new_certs_dir = .
default_md = sha256
policy = any_name
unique_subject = no
copy_extensions = copy
[any_name]
commonName = supplied
CONF

key()
{
	openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"
}

authority()
{
	key "$1"
	openssl req -x509 -new -key "$1.key" -out "$1.pem" -days 30 \
	    -subj "/CN=$2"
}

# leaf NAME AUTHORITY SAN FROM TO, dates as YYYYMMDDHHMMSSZ
leaf()
{
	key "$1"
	openssl req -new -key "$1.key" -subj "/CN=$1.example.org" \
	    -addext "subjectAltName=$3" -out "$1.csr"
	: >index.txt
	openssl rand -hex 8 >serial
	openssl ca -batch -config ca.conf -cert "$2.pem" -keyfile "$2.key" \
	    -in "$1.csr" -out "$1.pem" -startdate "$4" -enddate "$5" -notext
}

authority ca "Postern Test Authority"
authority other-ca "Somebody Else"
leaf good ca \
    DNS:mail.example.org,DNS:*.wild.example.org,IP:127.0.0.1 \
    20200101000000Z 20491231235959Z
leaf client ca DNS:client.example.org 20200101000000Z 20491231235959Z
leaf expired ca DNS:mail.example.org 20200101000000Z 20210203040506Z
leaf future ca DNS:mail.example.org 20480203040506Z 20491231235959Z
leaf stranger other-ca DNS:mail.example.org 20200101000000Z 20491231235959Z
