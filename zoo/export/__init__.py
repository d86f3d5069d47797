"""From a finished run to files that others serve. Importing this package loads nothing.

publish        a SavedModel as the next version in a folder, complete and proven, or nothing
proof          the comparison of an exported model with the run that it came from
loader         an exported model in TensorFlow's C++ loader, the one that TF Serving has
tf_serving     the files that TF Serving reads beside a model
small_devices  LiteRT and ONNX
process        the zoo command in a process of its own
"""
