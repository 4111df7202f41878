"""ValidatingAdmissionPolicy and MutatingAdmissionPolicy: what is asked, which policies match it, what they say.

Called by the hub as admission plugins; `opening` puts them in their places.
"""
