"""Which setpoints are worth most: one mathematical model, solved whole, in chunks, decomposed or rolling.

Pure: no clock, files, network or threads; the solver is called here. Floats exist only in this package.
What a plan is asked for and what it answers are exact where they leave it: whole W and Wh.
"""
