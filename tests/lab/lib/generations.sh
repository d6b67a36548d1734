# shellcheck shell=bash
# Generations in a machine: built by its nix, of the module with stand-ins for Home Manager and for nixpkgs' packages.

generations_begin() {
    nix_sources_in
    copy_in "$(nix_tool "$SD_SWITCH")" tools
    put .config/nix/nix.conf <<'END'
sandbox = false
substituters =
build-users-group =
END
}

# generation NAME STACK=TAG… [STACK.OPTION=VALUE]… [package=VERSION] [fails=ENTRY]: builds it; each stack has one
# service, `web`. With `fails` the activation ends in an entry before that one.
generation() {
    local name=$1 word stack version=1 stacks='' more='' path
    shift
    for word; do
        case $word in
        package=*) version=${word#*=} ;;
        fails=*) more="home.activation.fails = { before = [ \"${word#*=}\" ]; after = [ \"linkGeneration\" ]; data = \"exit 3\"; };" ;;
        *.*=*) stacks+="stacks.${word%%=*} = ${word#*=};"$'\n' ;;
        *)
            stack=${word%%=*}
            put "generations/$name/$stack.yml" <<END
services:
  web: { image: "$REGISTRY/$stack:${word#*=}", environment: { MODE: "\${MODE:-}", SECRET: "\${SECRET:-}" } }
END
            stacks+="stacks.$stack.composeFiles = [ ./$stack.yml ];"$'\n'
            ;;
        esac
    done
    put "generations/$name/default.nix" <<END
{ services.stackwarden = { enable = true; $stacks }; $more }
END
    path=$(user nix-build --no-out-link --expr "(import $HOME_IN/src/nix/tests/evaluate.nix {
        nixpkgsLib = $HOME_IN/lib; build = true; generation = \"$version\";
        modules = [ $HOME_IN/generations/$name/default.nix ];
    }).config.home.activationPackage" 2>"$MACHINE/build.log") || fail "generation $name: $(cat "$MACHINE/build.log")"
    user ln -sfn "$path" "generations/$name/result"
}

# switch NAME: activates the generation; OUT is what it said. DRY=1: a dry run.
switch() { switch_fails 0 "$1"; }
switch_fails() { # CODE NAME
    assert_exit "$1" user env "SD_SWITCH=$HOME_IN/tools/sd-switch" ${DRY:+DRY_RUN=1} "generations/$2/result/activate"
}
