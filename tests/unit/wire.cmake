ebm_unit_test(test_wire ebm-proto)
ebm_unit_test(test_link ebm-proto zmq)
