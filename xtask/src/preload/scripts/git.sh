# A repository with branches, merges and packs. Dates are fixed, so that all objects are.
export HOME="$PWD" GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_NAME=Somebody GIT_AUTHOR_EMAIL=somebody@example.org
export GIT_COMMITTER_NAME=Somebody GIT_COMMITTER_EMAIL=somebody@example.org

commit() {
    export GIT_AUTHOR_DATE="$((1700000000 + $1)) +0000" GIT_COMMITTER_DATE="$((1700000000 + $1)) +0000"
    git add -A
    git commit -q -m "Commit $1"
}

git init -q -b main repository
cd repository
git config gc.auto 0
# With threads, what is packed against what depends on who comes first.
git config pack.threads 1
number=0
while [ $number -lt 60 ]; do
    number=$((number + 1))
    mkdir -p "folder$((number % 5))"
    seq "$number" 3 $((number * 400)) >"folder$((number % 5))/file$number"
    seq "$number" 1000 >common
    # A file that is not like others, so that packing it takes memory.
    awk -v n=$number 'BEGIN { for (i = 0; i < 20000; i++) print (i * 7919 + n * 104729) % 1000003 }' \
        >"numbers$((number % 3))"
    commit $number
done
git checkout -q -b side HEAD~20
seq 1 7 50000 >another
commit 100
git merge -q --no-edit -X ours main
git gc -q --prune=now --aggressive
git fsck --full --strict
git log --stat --format=fuller -p
git blame common
git grep -c 77
git diff main side --stat
git archive HEAD | sha256sum
git cat-file --batch-check --batch-all-objects
git clone -q --no-local . ../clone
git -C ../clone fsck --full
# The index holds times and the numbers of files.
rm -f .git/index ../clone/.git/index
