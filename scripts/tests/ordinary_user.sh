# Part of stack_test.sh, where that runs as root: the same as an ordinary user, with an own checkout.
# What root downloaded is copied.

ordinary=(runuser --user nobody -- env HOME="$scratch/home" PATH=/usr/local/bin:/usr/bin:/bin)
mkdir -p "$scratch/checkout/.stack/cache" "$scratch/home"
cp --recursive "$repository/scripts" "$scratch/checkout/"
for part in "$home"/cache/{kafka,postgres,registry}-* "$home/cache/venv"; do
  [[ ! -d $part ]] || cp --recursive "$part" "$scratch/checkout/.stack/cache/"
done
chmod 755 "$scratch" && chown --recursive nobody "$scratch"
(PATH=/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin "$repository/scripts/install" stack-local)

user_stack() { (cd / && "${ordinary[@]}" "$scratch/checkout/scripts/stack" "$@" --name user --mode local); }
end_of_user() { user_stack clean >/dev/null 2>&1 || true; end; }
trap end_of_user EXIT

claim "an ordinary user can run the stack" user_stack up
claim "all of it answers" user_stack status
users_processes() { working_below "$scratch/checkout/.stack/user"; }
those_of_root() { for pid in $(users_processes); do find "/proc/$pid" -maxdepth 0 -uid 0; done; }
claim "its processes can be seen" found users_processes
claim "none of it runs as root" none those_of_root
claim "an ordinary user stops it as well" user_stack clean
claim "nothing is left of it" none users_processes

mkdir "$scratch/bin" && ln --symbolic /usr/bin/* "$scratch/bin/" && rm "$scratch/bin/redis-server"
claim "who may not install is told in one sentence what to install" \
  refuses "sudo apt-get update && sudo apt-get install --yes redis-server" \
  runuser --user nobody -- env PATH="$scratch/bin" "$scratch/checkout/scripts/install" stack-local
