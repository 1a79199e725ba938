noinst_LIBRARIES += identity/libidentity.a

identity_libidentity_a_SOURCES = identity/verified.c identity/verified.h
