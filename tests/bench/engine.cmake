add_executable(bench_engine ${CMAKE_SOURCE_DIR}/tests/bench/bench_engine.c)
target_link_libraries(bench_engine ebm-engine ebm-proto)
