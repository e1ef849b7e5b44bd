# The worker's body under MPI.
set(QUADRATIC ${CMAKE_CURRENT_LIST_DIR}/../support)
add_library(ebm-quadratic-engine STATIC ${QUADRATIC}/quadratic_engine.c)
target_include_directories(ebm-quadratic-engine PUBLIC ${QUADRATIC})
target_link_libraries(ebm-quadratic-engine PUBLIC ebm-train m)

ebm_mpi_test(test_comm "1;2;3;4" ebm-comm)
ebm_mpi_test(test_train "1;2;3;4" ebm-quadratic-engine ebm-train ebm-engine)
ebm_mpi_test(test_hygiene "1;3" ebm-quadratic-engine ebm-train)
ebm_mpi_test(test_run "1;2;3;4" ebm-quadratic-engine ebm-train)
ebm_mpi_test(test_precision "1" ebm-train ebm-engine m)
# Allocations of our own code are counted, those inside shared libraries not.
target_link_options(test_train PRIVATE -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc
                                       -Wl,--wrap=aligned_alloc)

foreach(spec toy bf16 image)
  set(steps_toy 40 20)
  set(steps_bf16 40 20)
  set(steps_image 8 4)
  add_test(NAME ranks_agree_${spec}
           COMMAND ${CMAKE_CURRENT_LIST_DIR}/ranks_agree.sh $<TARGET_FILE:ebm-worker>
                   ${CMAKE_CURRENT_LIST_DIR}/ranks-${spec}.yaml ${steps_${spec}})
  set_tests_properties(ranks_agree_${spec} PROPERTIES TIMEOUT 240 LABELS mpi RUN_SERIAL TRUE)
endforeach()

add_test(NAME worker_ends COMMAND ${CMAKE_CURRENT_LIST_DIR}/worker_ends.sh
                                  $<TARGET_FILE:ebm-worker> ${CMAKE_CURRENT_LIST_DIR}/ranks-toy.yaml)
set_tests_properties(worker_ends PROPERTIES TIMEOUT 240 LABELS mpi RUN_SERIAL TRUE)
