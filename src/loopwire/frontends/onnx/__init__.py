"""ONNX: files of any exporter, opset 7 and later."""
