# One contract, two buses, and what happens to NATS when its server fails. Included by tests/CMakeLists.txt.
if(TARGET roomcast_io)
  add_library(roomcast_test_bus STATIC support/nats_process.c contract/bus_fixture.c)
  target_include_directories(roomcast_test_bus PUBLIC support contract)
  target_link_libraries(roomcast_test_bus PUBLIC roomcast_io PkgConfig::CMOCKA)

  add_executable(contract_bus contract/test_bus_contract.c contract/bus_contract_store.c contract/bus_contract_read.c
    contract/bus_contract_live.c contract/bus_contract_ask.c)
  target_link_libraries(contract_bus PRIVATE roomcast_test_bus)
  foreach(adapter memory memory_shards nats nats_at_once nats_shards)
    add_test(NAME contract.bus.${adapter} COMMAND contract_bus ${adapter})
    set_tests_properties(contract.bus.${adapter} PROPERTIES TIMEOUT 180)
  endforeach()

  add_executable(contract_bus_nats_faults contract/test_bus_nats_faults.c)
  target_include_directories(contract_bus_nats_faults PRIVATE ${PROJECT_SOURCE_DIR}/src/io)
  target_link_libraries(contract_bus_nats_faults PRIVATE roomcast_test_bus roomcast_test_ws)
  foreach(mode "" _at_once)
    add_test(NAME contract.bus.nats_faults${mode} COMMAND contract_bus_nats_faults ${mode})
    set_tests_properties(contract.bus.nats_faults${mode} PROPERTIES TIMEOUT 180)
  endforeach()
endif()
