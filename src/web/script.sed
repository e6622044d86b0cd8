# How a script is prepared (assets.cmake, sed -E): without comments on lines of their own, comments behind " // "
# and indentation.

# A text that goes over several lines would be changed by that: none is taken in.
/\\$/ b over_lines
/^[^`]*(`[^`]*`[^`]*)*$/! b over_lines

/^ *\/\//d
# Not within a text on one line: behind that stands a quotation mark. So comments with one stay.
s, // [^"'`]*$,,
s/^ +//
/^$/d
b

:over_lines
s/^/src\/web\/script.sed understands no text over several lines (a backtick without its other one, or a line that goes on): /
w /dev/stderr
Q 1
