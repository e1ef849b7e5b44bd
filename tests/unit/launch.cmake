# Launching attempts: the folder's files, and ebm-shepherd above scripts that
# stand for mpirun.
add_library(ebm-launch-stage STATIC ${CMAKE_CURRENT_LIST_DIR}/launch_stage.c)
target_include_directories(ebm-launch-stage PUBLIC ${CMAKE_CURRENT_LIST_DIR})
target_link_libraries(ebm-launch-stage PUBLIC ebm-launch PkgConfig::CMOCKA)

ebm_unit_test(test_launch_files ebm-launch-stage)
ebm_unit_test(test_launch ebm-launch-stage)
add_dependencies(test_launch ebm-shepherd)
