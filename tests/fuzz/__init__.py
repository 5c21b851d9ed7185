"""The fuzzer: hostile octets for everything that reads what strangers send, with oracles stronger than "no exception".

`python -m tests.fuzz` runs it, guided by coverage (atheris); `test_fuzz.py` runs the kept seeds and a few thousand
mutations without atheris. Each module of `targets/` is one reader of the product and what must hold for it.
"""
