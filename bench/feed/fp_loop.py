"""A queue cleared row by row, as fp-listen does it: SELECT all; for each row glob, remove, DELETE, COMMIT.

It listens all the time. A line "drain <seconds>" on stdin makes it clear what is queued, for at most so long;
the answer is a line of JSON with rows and seconds. The connection is kept where the original makes a new one
for each NOTIFY, and each row's category is not globbed as well: both are in its favour.
"""

import glob
import json
import os
import select
import shutil
import sys
import time

import psycopg2

url, directory, table, channel = sys.argv[1:5]


def clear(connection, seconds):
    began = time.monotonic()
    cursor = connection.cursor()
    cleared = 0
    while True:
        cursor.execute(f"SELECT id, category, name FROM {table} ORDER BY id")
        rows = cursor.fetchall()
        connection.commit()
        for number, category, name in rows:
            if time.monotonic() - began > seconds:
                return cleared
            for found in glob.glob(f"{directory}/items/{category}/{name}/*"):
                if os.path.isfile(found):
                    os.remove(found)
                else:
                    shutil.rmtree(found)
            cursor.execute(f"DELETE FROM {table} WHERE id = %s", (number,))
            connection.commit()
            cleared += 1
        if not rows:
            return cleared


def main():
    listening = psycopg2.connect(url)
    listening.autocommit = True
    listening.cursor().execute(f"LISTEN {channel}")
    working = psycopg2.connect(url)
    print("{}", flush=True)
    while True:
        ready, _, _ = select.select([listening, sys.stdin], [], [], 5)
        if sys.stdin in ready:
            words = sys.stdin.readline().split()
            if not words:
                return
            began = time.monotonic()
            rows = clear(working, float(words[1]))
            print(json.dumps({"rows": rows, "seconds": time.monotonic() - began}), flush=True)
        listening.poll()
        while listening.notifies:
            listening.notifies.pop(0)
            clear(working, float("inf"))


main()
