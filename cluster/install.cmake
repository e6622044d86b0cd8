# What `cmake --install` puts in place besides the programs: public headers, systemd units, a sample configuration.
# Included by the top-level CMakeLists.txt, after src/.

# The sample is made from the option table, so it cannot grow old.
add_executable(sample_config ${CMAKE_CURRENT_LIST_DIR}/sample_config.c)
target_link_libraries(sample_config PRIVATE roomcast_config)
set(sample ${PROJECT_BINARY_DIR}/roomcast.yaml)
add_custom_command(OUTPUT ${sample} COMMAND sample_config > ${sample} DEPENDS sample_config VERBATIM)
add_custom_target(sample ALL DEPENDS ${sample})
# Not to /etc: an operator's file there is never overwritten.
install(FILES ${sample} DESTINATION ${CMAKE_INSTALL_DATADIR}/roomcast)

install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/roomcast DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

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
