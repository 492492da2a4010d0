CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, price REAL);
CREATE TABLE sale (id INTEGER PRIMARY KEY, item INTEGER REFERENCES item, amount INTEGER);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 8000)
INSERT INTO item SELECT i, printf('item %d of kind %d', i, i * 7919 % 101), i * 37 % 1000 / 10.0 FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
INSERT INTO sale SELECT i, i * 6151 % 8000 + 1, i % 17 FROM n;
CREATE INDEX item_name ON item (name COLLATE NOCASE);
SELECT price, count(*), sum(amount * price), group_concat(DISTINCT amount)
FROM sale JOIN item ON item.id = sale.item GROUP BY price;
SELECT json_group_array(json_object('id', id, 'name', name)) FROM item;
