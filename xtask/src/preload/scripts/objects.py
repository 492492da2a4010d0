"""Many small objects, written as JSON and read again."""

import json
import re

tags = lambda number: ["tag %d" % (number % k + 1) for k in range(1, 6)]
objects = [{"id": n, "name": "item %d" % n, "tags": tags(n)} for n in range(3000)]
text = json.dumps(objects, sort_keys=True)
print(len(set(re.findall(r"\w+", text))), json.loads(text) == objects)
