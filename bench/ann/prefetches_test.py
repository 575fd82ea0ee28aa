import unittest

from prefetches import count_in

WALK = "_ZN5akidb12_GLOBAL__N_13RunERNS_9GraphWalkEj"


class Prefetches(unittest.TestCase):
    def test_those_of_each_walk_are_counted_by_its_registers(self):
        code = "\n".join([f"0000000000000010 <{WALK}>:", "  10: prefetcht1 (%rax)", "  14: vpaddd %ymm0, %ymm1, %ymm2", "",
                          f"0000000000000020 <{WALK}>:", "  20: prefetcht1 (%rax)", "  24: prefetcht0 64(%rax)", "  28: vpaddd %zmm0, %zmm1, %zmm2"])
        self.assertEqual(count_in(code), {"avx2": 1, "avx512": 2})

    def test_other_functions_do_not_count(self):
        code = f"0000000000000010 <{WALK}>:\n  10: ret\n\n0000000000000020 <main>:\n  20: prefetcht1 (%rax)"
        self.assertEqual(count_in(code), {"scalar": 0})


if __name__ == "__main__":
    unittest.main()
