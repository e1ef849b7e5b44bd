add_library(ebm-ref-net STATIC ${CMAKE_CURRENT_LIST_DIR}/ref_net.c)
target_include_directories(ebm-ref-net PUBLIC ${CMAKE_CURRENT_LIST_DIR})
target_link_libraries(ebm-ref-net PUBLIC ebm-engine ebm-proto m)

ebm_unit_test(test_rng ebm-proto)
ebm_unit_test(test_rng_normal ebm-proto m)
ebm_unit_test(test_engine ebm-ref-net)
ebm_unit_test(test_langevin ebm-engine)
ebm_unit_test(test_engine_chain ebm-ref-net)
ebm_unit_test(test_engine_random ebm-ref-net)
# Every net on every instruction set: minutes under the sanitizers.
set_tests_properties(test_engine test_engine_chain test_engine_random PROPERTIES TIMEOUT 480)
