# Some of the interpreter's own tests, with all objects from `malloc`. What they print is not always the
# same, what becomes of them is.
export PYTHONMALLOC=malloc PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1 TZ=UTC
python3 suite.py >said 2>&1 || { tail -n 40 said >&2; exit 1; }
rm said
