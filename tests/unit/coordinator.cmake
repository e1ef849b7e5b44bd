# The coordinator: its pure parts, and all of it in one process.
foreach(name lineage retention target outcome config reply rate)
  ebm_unit_test(test_${name} ebm-coordinator)
endforeach()
ebm_unit_test(test_lock ebm-proto)

add_library(
  ebm-coordinator-stage STATIC
  ${CMAKE_CURRENT_LIST_DIR}/coordinator_stage.c ${CMAKE_CURRENT_LIST_DIR}/coordinator_records.c
  ${CMAKE_CURRENT_LIST_DIR}/coordinator_actor.c)
target_include_directories(ebm-coordinator-stage PUBLIC ${CMAKE_CURRENT_LIST_DIR})
target_link_libraries(ebm-coordinator-stage PUBLIC ebm-coordinator PkgConfig::CMOCKA)

foreach(
  name
  requests
  reads
  garbage
  workers
  uploads
  storm
  ends
  diverged
  states
  queue
  roster
  rollback
  fork
  restart
  full
  notices)
  ebm_unit_test(test_coordinator_${name} ebm-coordinator-stage)
  add_dependencies(test_coordinator_${name} ebm-shepherd ebm-notify)
endforeach()
