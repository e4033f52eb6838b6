"""A hundred clinical questions and a hundred in analysts' SQL to two hospitals: how many a broker answers, and whether rightly.

Refusing too much is a defect too, and a wrong number is a worse one.
"""
