# Prepares the files that src/web/assets_table.h names, and has asset.c compiled anew when one of them changes: scripts are
# made small (script.sed), and everything is also compressed.
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS web/assets_table.h)
find_program(GZIP gzip REQUIRED)
find_program(SED sed REQUIRED)
set(web_sources ${CMAKE_CURRENT_SOURCE_DIR}/web)
set(web_made ${CMAKE_CURRENT_BINARY_DIR}/web)
set(web_files)
file(READ web/assets_table.h web_table)
string(REGEX REPLACE "[ \\\n]+" " " web_table "${web_table}") # a row may take two lines
string(REGEX MATCHALL "\"/[^\"]+\", \"[^\"]+\"" web_rows "${web_table}")
foreach(row ${web_rows})
  string(REGEX REPLACE ".*\", \"([^\"]+)\"" "\\1" file "${row}")
  set(prepare -e b) # as it is
  if(file MATCHES "\\.js$")
    set(prepare -f ${web_sources}/script.sed)
  endif()
  get_filename_component(folder ${web_made}/${file} DIRECTORY)
  file(MAKE_DIRECTORY ${folder})
  add_custom_command(OUTPUT ${web_made}/${file} ${web_made}/${file}.gz
    COMMAND ${SED} -E ${prepare} ${web_sources}/${file} > ${web_made}/${file}.new
    COMMAND ${CMAKE_COMMAND} -E rename ${web_made}/${file}.new ${web_made}/${file}
    COMMAND ${GZIP} -9 -n -c ${web_made}/${file} > ${web_made}/${file}.gz
    DEPENDS ${web_sources}/${file} ${web_sources}/script.sed VERBATIM)
  list(APPEND web_files ${web_made}/${file} ${web_made}/${file}.gz)
endforeach()
set_source_files_properties(web/asset.c PROPERTIES
  OBJECT_DEPENDS "${web_files}" COMPILE_DEFINITIONS "WEB_FILES=\"${web_made}\"")
