# A database that is filled, changed, asked, and written out.
sqlite3 database <<'SQL'
PRAGMA journal_mode = DELETE;
PRAGMA cache_size = -64000;
PRAGMA temp_store = MEMORY;
CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, price REAL, note BLOB);
CREATE TABLE sale (id INTEGER PRIMARY KEY, item INTEGER REFERENCES item, amount INTEGER, day TEXT);
BEGIN;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40000)
INSERT INTO item
SELECT i, printf('item %d of kind %d', i, i * 7919 % 101), i * 37 % 1000 / 10.0, zeroblob(i % 300)
FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000)
INSERT INTO sale
SELECT i, i * 6151 % 40000 + 1, i % 17, date('2020-01-01', (i % 700) || ' days') FROM n;
COMMIT;
CREATE INDEX sale_item ON sale (item, day);
CREATE INDEX item_name ON item (name COLLATE NOCASE);
ANALYZE;
UPDATE item SET name = upper(name) || ' ' || hex(id) WHERE id % 3 = 0;
DELETE FROM sale WHERE amount = 5;
SELECT substr(day, 1, 7) AS month, count(*), sum(amount * price), group_concat(DISTINCT amount)
FROM sale JOIN item ON item.id = sale.item GROUP BY month ORDER BY month;
SELECT name, rank() OVER (PARTITION BY id % 100 ORDER BY price DESC, id) FROM item LIMIT 5000;
SELECT json_group_array(json_object('id', id, 'name', name)) FROM item WHERE id < 3000;
PRAGMA integrity_check;
VACUUM;
.dump
SQL
