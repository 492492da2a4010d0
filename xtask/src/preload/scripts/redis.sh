# A server that is asked through a socket, saves itself, and loads that again.
redis-server --port 0 --unixsocket redis.sock --save '' --appendonly no --daemonize no \
    --enable-debug-command yes --logfile /dev/null &
server=$!
trap 'kill "$server" 2>/dev/null || true' EXIT
tries=0
until redis-cli -s redis.sock ping >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ $tries -lt 300 ]
    sleep 0.1
done
awk 'BEGIN {
    for (n = 0; n < 20000; n++) {
        printf "SET key:%d %s%d\n", n, substr("abcdefghijklmnopqrstuvwxyz", n % 26), n * 7919 % 1000
        printf "HSET hash:%d field:%d value:%d\n", n % 100, n, n * 31
        printf "ZADD scores %d member:%d\n", n * 6151 % 10007, n
        printf "RPUSH list:%d element:%d\n", n % 50, n
        printf "SADD set:%d %d\n", n % 70, n * 13 % 3001
        if (n % 3 == 0) printf "APPEND key:%d and-more-of-it-to-make-it-longer\n", n
        if (n % 7 == 0) printf "DEL key:%d\n", n - 5
        if (n % 11 == 0) printf "LPOP list:%d\n", n % 50
        if (n % 1000 == 0) printf "ZRANGE scores 0 100 WITHSCORES\n"
    }
    print "DBSIZE\nSORT set:3 DESC\nLRANGE list:7 0 -1\nEVAL \"return redis.call(\x27GET\x27,\x27key:3\x27)\" 0"
    print "DEBUG DIGEST\nDEBUG RELOAD\nDEBUG DIGEST\nBGSAVE\nMEMORY PURGE"
}' >commands
redis-cli -s redis.sock <commands
# The child that saves is a fork of the server.
tries=0
until redis-cli -s redis.sock INFO persistence | grep -q rdb_bgsave_in_progress:0; do
    tries=$((tries + 1))
    [ $tries -lt 300 ]
    sleep 0.1
done
redis-cli -s redis.sock INFO persistence | grep rdb_last_bgsave_status
redis-cli -s redis.sock SHUTDOWN NOSAVE || true
wait "$server"
trap - EXIT
# It holds the time when it was made.
rm dump.rdb
