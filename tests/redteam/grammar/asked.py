"""Carriers 23 to 41: what the kernel answers, and how the protocol itself can be bent. Placeholders as in ``said``."""

from .steps import Ask, Cell

DEBUG = {"type": "request", "command": "debugInfo", "seq": 1, "arguments": {}}

ASKED: dict[int, tuple[object, ...]] = {
    23: (
        (
            "class C_$K: pass\nc = C_$K(); setattr(c, 'k' + secret.hex(), 1); d = {secret.hex(): 1}",
            Ask("shell", "complete_request", {"code": "c.k", "cursor_pos": 3}),
            Ask("shell", "complete_request", {"code": "d['", "cursor_pos": 3}),
            Ask("shell", "complete_request", {"code": "person.", "cursor_pos": 7}),
        ),
        (
            "class C_$K:\n    def _ipython_key_completions_(self):\n        return [secret.hex()]\ne = C_$K()",
            Ask("shell", "complete_request", {"code": "e['", "cursor_pos": 3}),
        ),
    ),
    24: (
        ("def f_$K(x): pass\nf_$K.__doc__ = $E", Ask("shell", "inspect_request", {"code": "f_$K", "cursor_pos": 4, "detail_level": 1})),
        ("if $A: g_$K = 1", Ask("shell", "inspect_request", {"code": "g_$K", "cursor_pos": 4, "detail_level": 0})),
        (Ask("shell", "inspect_request", {"code": "person", "cursor_pos": 3, "detail_level": 1}),),
    ),
    25: (
        (
            Ask(
                "shell",
                "execute_request",
                {
                    "code": "x = 1",
                    "silent": False,
                    "store_history": True,
                    "user_expressions": {"a": "secret.hex()", "b": "1/0 if bits[0] else 2"},
                    "allow_stdin": False,
                    "stop_on_error": False,
                },
            ),
        ),
    ),
    26: (
        "get_ipython().set_next_input(secret.hex())",
        "get_ipython().payload_manager.write_payload({'source': 'page', 'data': {'text/plain': $E}, 'start': int(secret[0])})",
        "get_ipython().payload_manager.write_payload({'source': 'edit_magic', 'filename': secret.hex(), 'line_number': 1})",
    ),
    27: (
        Cell("reply = input($E); print(len(reply))", answer="an answer"),
        Cell("import getpass; print(len(getpass.getpass(secret.hex())))", answer="an answer"),
        Cell("for b in bits[:3]:\n    if b: input('?')", answer="an answer"),
    ),
    28: (
        ("$E", Ask("shell", "history_request", {"hist_access_type": "tail", "n": 3, "output": True, "raw": True})),
        (
            "get_ipython().history_manager.input_hist_raw.append(secret.hex())",
            Ask(
                "shell",
                "history_request",
                {
                    "hist_access_type": "range",
                    "session": 0,
                    "start": 0,
                    "stop": 100,
                    "output": False,
                    "raw": True,
                },
            ),
        ),
    ),
    29: (
        "say('execute_input', {'code': secret.hex(), 'execution_count': 1})",
        "get_ipython().run_cell('print(\"' + secret.hex() + '\")'); None",
    ),
    30: ("get_ipython().execution_count += secret[0] % 3", "say('execute_input', {'code': 'x', 'execution_count': int(secret[0])})"),
    31: (
        "time.sleep(0.25 * $A)",
        "time.sleep(0.05 * (secret[1] % 8))",
        "for b in bits[:8]: say('status', {'execution_state': 'idle' if b else 'busy'})",
        "say('status', {'execution_state': secret.hex()})",
    ),
    32: (
        (
            "kernel.__class__.banner = secret.hex(); kernel.help_links = [{'text': secret.hex(), 'url': '//x'}]",
            Ask("shell", "kernel_info_request"),
        ),
    ),
    33: (
        (
            "get_ipython().check_complete = lambda code: ('incomplete', ' ' * int(secret[0] % 8)) if $A else ('complete', '')",
            Ask("shell", "is_complete_request", {"code": "for x in y:"}),
        ),
    ),
    34: (("dbg_$K = secret.hex()", Ask("control", "debug_request", DEBUG)),),
    35: (("memory_$K = bytearray(20_000_000 * (1 + $A))", Ask("control", "usage_request")),),
    36: ((Ask("control", "create_subshell_request", wait=1), Ask("control", "list_subshell_request", wait=1)),),
    37: (
        "kernel.session.send(kernel.iopub_socket, 'verdict', {'outcome': secret.hex()}, parent={'header': {'msg_id': secret.hex()}}, "
        "ident=secret)",
        "m = kernel.session.msg('stream', {'name': 'stdout', 'text': 'x'}); m['header']['username'] = secret.hex(); "
        "m['metadata'] = {'k': $E}\n"
        "kernel.session.send(kernel.iopub_socket, m); None",
        "say('comm_open', {'comm_id': secret.hex(), 'target_name': 'x', 'data': {}})",
        "say('stream', {'name': secret.hex(), 'text': 'x', 'k': $E})",
    ),
    38: (
        "say('display_data', {'data': {'text/plain': 'x'}, 'metadata': {}}, buffers=[secret, b'x' * (secret[0] + 1)])",
        "from comm import create_comm; b_$K = create_comm(target_name='t', data={}); b_$K.send({}, buffers=[secret] * (1 + $A))",
    ),
    39: (
        "if inside and $A:\n    child = subprocess.Popen(['sh', '-c', f'sleep 0.7; kill -CONT {os.getpid()}']); os.kill(os.getpid(), "
        "signal.SIGSTOP)",
        "if inside and $A:\n    try: x = bytearray(2**38)\n    except MemoryError: pass",
    ),
    40: ((Cell("time.sleep(30)", interrupt=0.7), Ask("control", "interrupt_request")),),
    41: (
        "print(secret.hex(), file=sys.__stderr__, flush=True); time.sleep(0.4)",
        "kernel.log.critical('%s', secret.hex()); time.sleep(0.4)",
    ),
}
"""By number, the ways in which each kind is tried."""
