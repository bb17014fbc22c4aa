/**
 * The ports of the example: names that are in the FreeBSD ports tree, by category, and what descriptions
 * are made of. Pure data; data.ts makes a history of it.
 */

export interface CategoryEntry {
  readonly name: string
  readonly description: string
  /** What a port of this category may be, for its description. */
  readonly things: readonly string[]
  readonly ports: string
}

const entry = (name: string, description: string, things: string, ports: string): CategoryEntry => ({
  name,
  description,
  things: things.split(', '),
  ports,
})

export const catalogue: readonly CategoryEntry[] = [
  entry(
    'archivers',
    'Archiving tools',
    'archiver, compression library, unpacker',
    'brotli bzip3 cabextract gtar libarchive lz4 lzip lzop p7zip pigz py-zstandard snappy unrar unzip upx zip zstd',
  ),
  entry(
    'audio',
    'Sound utilities',
    'audio player, sound library, codec, mixer',
    'alsa-lib ardour audacity cmus faac flac lame libsndfile libvorbis mpg123 musicpd ncmpcpp opus portaudio sox vorbis-tools',
  ),
  entry(
    'benchmarks',
    'System benchmarks',
    'benchmark, load generator',
    'bonnie++ dbench fio hyperfine iozone iperf3 netperf pgbench-tools siege stress-ng sysbench wrk',
  ),
  entry(
    'databases',
    'Database servers and their clients',
    'database, database driver, client library',
    'db5 freetds leveldb lmdb mariadb104-server memcached mongodb40 mysql57-server p5-DBD-Pg p5-DBI pgbouncer postgresql12-client postgresql12-server py-psycopg2 py-sqlalchemy10 redis rocksdb sqlite3',
  ),
  entry(
    'devel',
    'Software development utilities and libraries',
    'library, build tool, debugger, parser generator, test framework',
    'autoconf automake bison boost-libs cmake gettext-tools git glib20 gmake jenkins libtool meson ninja nspr p5-Moose pkgconf protobuf py-setuptools py-six readline subversion tig valgrind',
  ),
  entry(
    'dns',
    'Domain name service clients and servers',
    'name server, resolver, DNS library',
    'bind916 c-ares dnscrypt-proxy2 dnsmasq knot2 ldns libidn2 nsd p5-Net-DNS powerdns py-dnspython unbound',
  ),
  entry(
    'editors',
    'Common text editors',
    'text editor, hex editor, editor plug-in',
    'emacs ghex joe kakoune libreoffice micro nano neovim pluma texworks vim vscode',
  ),
  entry(
    'emulators',
    'Utilities for emulating other operating systems',
    'emulator, virtual machine, compatibility layer',
    'dosbox fuse higan i386-wine linux_base-c7 mame mednafen mgba open-vm-tools ppsspp qemu virtualbox-ose wine',
  ),
  entry(
    'games',
    'Games of all kinds',
    'game, card game, strategy game, puzzle',
    '0ad armagetronad crossfire-client freeciv freedoom gnuchess lincity-ng nethack36 openttd pioneers supertux2 wesnoth',
  ),
  entry(
    'graphics',
    'Graphics tools and libraries',
    'image library, viewer, vector editor, renderer',
    'blender cairo exiftool freeimage gimp giflib gmic inkscape jpeg-turbo librsvg2 mesa-libs openexr png poppler tiff webp',
  ),
  entry(
    'irc',
    'Internet Relay Chat utilities',
    'IRC client, IRC server, IRC bot',
    'anope charybdis eggdrop epic5 hexchat inspircd irssi ngircd quassel weechat znc',
  ),
  entry(
    'lang',
    'Programming languages',
    'compiler, interpreter, language runtime',
    'clojure erlang-runtime22 gawk gcc9 ghc go guile2 lua53 mono ocaml perl5.30 php74 python37 ruby26 rust sbcl tcl86',
  ),
  entry(
    'mail',
    'Electronic mail packages and utilities',
    'mail client, mail server, spam filter',
    'alpine claws-mail dovecot dovecot-pigeonhole exim fetchmail getmail mailman mutt neomutt opendkim postfix procmail roundcube spamassassin thunderbird',
  ),
  entry(
    'math',
    'Mathematical computation software',
    'numerical library, plotter, calculator, solver',
    'R blas eigen3 fftw3 gmp gnuplot gsl lapack maxima mpfr octave openblas pari py-numpy py-pandas suitesparse',
  ),
  entry(
    'multimedia',
    'Multimedia software',
    'video player, video codec, media server',
    'dav1d emby-server ffmpeg gstreamer1 handbrake kodi libass libmatroska mkvtoolnix mpv obs-studio plexmediaserver vlc x264 x265',
  ),
  entry(
    'net',
    'Networking tools',
    'network tool, proxy, protocol library, file sharing tool',
    'asterisk16 avahi-app freeradius3 haproxy mosquitto mpich ntp openldap24-client openmpi rclone rsync samba410 socat tigervnc-server wireguard wireshark',
  ),
  entry(
    'ports-mgmt',
    'Utilities for managing, installing and developing FreeBSD ports and packages',
    'ports tool, package manager',
    'dialog4ports octopkg packagekit pkg pkg-plist porttools portfmt portlint portmaster portupgrade poudriere synth',
  ),
  entry(
    'security',
    'Security utilities',
    'cryptographic library, scanner, authentication module, certificate tool',
    'ca_root_nss clamav cyrus-sasl2 easy-rsa gnupg gnutls heimdal krb5 libgcrypt libssh2 nmap nss openssl openvpn py-certbot py-cryptography snort sudo tor vuxml',
  ),
  entry(
    'sysutils',
    'System utilities',
    'system utility, monitor, backup tool, file manager',
    'ansible beats7 coreutils dmidecode fluentd fusefs-ntfs grub2 htop lsof mc moreutils py-salt rubygem-bundler screen smartmontools tmux tree zfs-stats',
  ),
  entry(
    'textproc',
    'Text processing utilities',
    'text processor, XML library, spell checker, markup converter',
    'aspell asciidoc docbook-xsl elasticsearch6 expat2 hunspell jq libxml2 libxslt p5-XML-Parser py-lxml py-sphinx ripgrep sphinxsearch xmlto',
  ),
  entry(
    'www',
    'Software related to the World Wide Web',
    'web server, web browser, web framework, HTTP library',
    'apache24 chromium drupal8 firefox firefox-esr gohugo joomla3 lynx mediawiki134 nginx node npm p5-Mojolicious py-django22 py-flask qt5-webengine squid tomcat9 varnish6 webkit2-gtk3 wordpress youtube_dl',
  ),
  entry(
    'x11',
    'The X Window System and friends',
    'terminal, launcher, X11 library, desktop component',
    'alacritty dmenu i3lock kitty libX11 mate rofi rxvt-unicode slim xfce4-terminal xinit xorg xterm yakuake',
  ),
]

export const qualities = [
  'Small',
  'Fast',
  'Portable',
  'Simple',
  'Powerful',
  'Lightweight',
  'Modern',
  'Extensible',
  'Free',
]
export const endings = [
  '',
  'written in C',
  'for everyday use',
  'with a clean interface',
  'for large installations',
  'with few dependencies',
]

/** Descriptions that are given, among them two that a page must escape. */
export const knownDescriptions: Readonly<Record<string, string>> = {
  'databases/postgresql12-server': 'PostgreSQL is the most advanced open-source database available anywhere',
  'devel/boost-libs': 'Free portable C++ libraries (without Boost.Python): <boost/*.hpp> & friends',
  'textproc/py-lxml': 'Pythonic binding for the libxml2 & libxslt libraries: <tree/> in, "tree" out',
  'www/nginx': 'Robust and small WWW server',
}

export const people = [
  'antoine',
  'bapt',
  'brnrd',
  'dinoex',
  'gerald',
  'jbeich',
  'joneum',
  'kai',
  'kevans',
  'kwm',
  'lwhsu',
  'mandree',
  'mat',
  'matthew',
  'mfechner',
  'pi',
  'rene',
  'sunpoet',
  'swills',
  'tcberner',
  'yuri',
  'zeising',
]
