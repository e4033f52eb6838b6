"""The look of everything that is shown as HTML: calm, in the notebook's own colours, light and dark."""

STYLE = """<style>
.twp-t{font:13px/1.45 var(--jp-ui-font-family,system-ui,sans-serif);color:var(--jp-ui-font-color1,inherit);overflow-x:auto;max-width:100%}
.twp-t table{border-collapse:collapse;margin:2px 0 6px!important;color:var(--jp-ui-font-color1,inherit)}
.twp-t table{font-size:13px;font-variant-numeric:tabular-nums}
.twp-t th,.twp-t td{padding:3px 10px!important;text-align:right!important;border:0!important;background:none!important;color:inherit}
.twp-t thead th{font-weight:600}.twp-t th[colspan]{text-align:center!important}
.twp-t thead tr:last-child th{border-bottom:1px solid var(--jp-ui-font-color2,#888)!important}
.twp-t tbody tr+tr>*{border-top:1px solid var(--jp-border-color2,#8884)!important}
.twp-t .g{text-align:left!important;font-weight:400;white-space:nowrap}
.twp-t .p{font-weight:600;border-left:1px solid var(--jp-border-color2,#8886)!important}
.twp-t .f{white-space:normal}
.twp-t .b>*{font-weight:600}
.twp-t tr.t>*{border-top:1px solid var(--jp-ui-font-color2,#888)!important}.twp-t tr.t+tr.t>*{border-top-width:0!important}
.twp-t .s{font-style:italic;font-weight:400;color:var(--jp-ui-font-color2,inherit)}
.twp-t p,.twp-t details{margin:0 0 2px;font-size:12px;color:var(--jp-ui-font-color2,inherit)}
.twp-t summary{cursor:pointer}.twp-t ul{margin:0 0 3px;padding-left:18px}
.twp-t code{font-size:11px;color:inherit;background:none!important;padding:0!important}
</style>"""
