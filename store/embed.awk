# Turns the files of schema/ into C: schema_journal[] from the numbered ones in
# the order given, schema_search from search.sql. Each line becomes a string
# literal, comments and blank lines left out.
function quote(s)
{
	gsub(/\\/, "\\\\", s)
	gsub(/"/, "\\\"", s)
	return "    \"" s "\\n\""
}
BEGIN {
	print "/* Made by store/embed.awk from what lies in schema. */"
	print "#include \"config.h\"\n\n#include \"store/schema.h\"\n"
	print "#include <stddef.h>\n"
}
FNR == 1 {
	if (files++ > 0)
		print ";\n"
	if (FILENAME ~ /search\.sql$/) {
		print "const char schema_search[] ="
	} else {
		steps++
		print "static const char step_" steps "[] ="
	}
}
/^[ \t]*--/ || /^[ \t]*$/ { next }
{ print quote($0) }
END {
	print ";\n\nconst char *const schema_journal[] = {"
	for (i = 1; i <= steps; i++)
		print "\tstep_" i ","
	print "\tNULL,\n};"
}
