CREATE TABLE products (id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY, name text NOT NULL, price int NOT NULL);
INSERT INTO products (name, price) VALUES ('tea', 4), ('coffee', 6);
