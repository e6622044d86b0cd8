# redis_client against a real redis-server. Included by tests/CMakeLists.txt.
if(TARGET roomcast_io)
  add_executable(contract_redis_client ${CMAKE_CURRENT_LIST_DIR}/test_redis_client.c)
  target_link_libraries(contract_redis_client PRIVATE roomcast_io roomcast_test_redis PkgConfig::CMOCKA)
  add_test(NAME contract.io.redis_client COMMAND contract_redis_client)
  set_tests_properties(contract.io.redis_client PROPERTIES TIMEOUT 120)
endif()
