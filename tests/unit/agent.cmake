# The agent of rank 0 against a scripted ebmd, and pictures.
add_library(ebm-fake-daemon STATIC ${CMAKE_CURRENT_LIST_DIR}/fake_daemon.c
                                   ${CMAKE_CURRENT_LIST_DIR}/agent_stage.c)
target_include_directories(ebm-fake-daemon PUBLIC ${CMAKE_CURRENT_LIST_DIR})
target_link_libraries(ebm-fake-daemon PUBLIC ebm-agent Threads::Threads)

ebm_unit_test(test_rows ebm-agent)
ebm_unit_test(test_agent ebm-fake-daemon)
ebm_unit_test(test_agent_away ebm-fake-daemon)
ebm_unit_test(test_upload ebm-fake-daemon)
ebm_unit_test(test_picture ebm-picture png)
