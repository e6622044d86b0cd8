# What `cmake --install` puts in place besides the programs: public headers, documents and contracts, systemd units, a
# sample configuration, manual pages and completion for shells.
# Included by the top-level CMakeLists.txt, after src/.

# The sample is made from the option table, so it cannot grow old.
add_executable(sample_config ${CMAKE_CURRENT_LIST_DIR}/sample_config.c)
target_link_libraries(sample_config PRIVATE roomcast_config)
set(sample ${PROJECT_BINARY_DIR}/roomcast.yaml)
add_custom_command(OUTPUT ${sample} COMMAND sample_config > ${sample} DEPENDS sample_config VERBATIM)
add_custom_target(sample ALL DEPENDS ${sample})
# Not to /etc: an operator's file there is never overwritten.
install(FILES ${sample} DESTINATION ${CMAKE_INSTALL_DATADIR}/roomcast)

# Where man(1) and the shells of Debian look.
set(manual ${PROJECT_BINARY_DIR}/manual)
set(pages roomcast.1 roomcast-relay.1 roomcast-bench.1 roomcast.yaml.5)
set(completions)
foreach(program roomcast roomcast-relay roomcast-bench)
  list(APPEND completions ${program}.bash _${program} ${program}.fish)
endforeach()
list(TRANSFORM pages PREPEND ${manual}/)
list(TRANSFORM completions PREPEND ${manual}/)
add_custom_command(OUTPUT ${pages} ${completions} COMMAND ${CMAKE_COMMAND} -E make_directory ${manual}
  COMMAND write_manual ${manual}
  COMMAND write_bench_manual ${manual} DEPENDS write_manual write_bench_manual VERBATIM)
add_custom_target(manual ALL DEPENDS ${pages} ${completions})
foreach(page ${pages})
  get_filename_component(section ${page} LAST_EXT)
  string(SUBSTRING ${section} 1 1 section)
  install(FILES ${page} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
endforeach()
foreach(program roomcast roomcast-relay roomcast-bench)
  install(FILES ${manual}/${program}.bash RENAME ${program} DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
  install(FILES ${manual}/_${program} DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
  install(FILES ${manual}/${program}.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
endforeach()

install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/roomcast DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

# The documents, in the folders in which they name each other, and what clients and publishers are generated from. What
# they name of the sources and tests is not installed.
install(FILES ${PROJECT_SOURCE_DIR}/README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/proto ${PROJECT_SOURCE_DIR}/cluster DESTINATION ${CMAKE_INSTALL_DOCDIR}
        FILES_MATCHING PATTERN "*.md" PATTERN "*.yaml" PATTERN "*.png" PATTERN "__pycache__" EXCLUDE)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/tests/bench DESTINATION ${CMAKE_INSTALL_DOCDIR}/tests FILES_MATCHING PATTERN "*.md")
install(DIRECTORY ${PROJECT_SOURCE_DIR}/helm DESTINATION ${CMAKE_INSTALL_DOCDIR} FILES_MATCHING PATTERN "*.md" PATTERN "*.svg")

# The units name the programs by absolute path (systemd wants that), so they are filled in when the prefix is known for
# certain: `cmake --install --prefix` may choose another one than was configured. DESTDIR moves the files, not the paths.
install(CODE "
  set(CMAKE_INSTALL_FULL_BINDIR \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}\")
  set(CMAKE_INSTALL_FULL_DATADIR \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_DATADIR}\")
  foreach(unit roomcast.service roomcast-relay.service)
    set(filled \"${PROJECT_BINARY_DIR}/units/\${unit}\")
    configure_file(\"${CMAKE_CURRENT_LIST_DIR}/systemd/\${unit}.in\" \"\${filled}\" @ONLY)
    file(INSTALL \"\${filled}\" DESTINATION \"\${CMAKE_INSTALL_PREFIX}/lib/systemd/system\")
  endforeach()
")
