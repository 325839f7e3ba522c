#!/bin/sh
# server.sh BIN DATA PORT: PostgreSQL for as long as its standard input is open, so that it ends with the test, however
# that ends. Prints the number of its process. Its data goes too, unless the last line of the input is "keep".
bin=$1 data=$2 port=$3
"$bin/postgres" -D "$data" -p "$port" -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
    -c fsync=off -c full_page_writes=off -c max_connections=60 -c shared_buffers=64MB -c max_wal_size=2GB \
    </dev/null >>"$data.log" 2>&1 &
server=$!
echo "$server"
word=
read -r word
kill -INT "$server" 2>/dev/null
wait "$server"
[ "$word" = keep ] || rm -rf "$(dirname "$data")"
