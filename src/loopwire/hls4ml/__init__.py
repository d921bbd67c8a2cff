"""For users of hls4ml: its function names, dictionaries and YAML files, understood by Loopwire.

    from loopwire import hls4ml

    config = hls4ml.utils.config_from_keras_model(model, granularity="name")
    project = hls4ml.converters.convert_from_keras_model(model, hls_config=config, output_dir="build/jets")
    y = project.predict(x)
    report = project.build()
    hls4ml.utils.plot_model(project)
    hls4ml.model.profiling.numerical(hls_model=project, X=x)
    hls4ml.report.read_vivado_report("build/jets")

docs/hls4ml.md tells what each key means here.
"""

from loopwire.hls4ml import converters, model, report, utils
from loopwire.hls4ml.converters import convert_from_config, convert_from_keras_model
from loopwire.hls4ml.notes import Hls4mlWarning
from loopwire.hls4ml.project import HlsModel
from loopwire.hls4ml.utils import config_from_keras_model

__all__ = [
    "Hls4mlWarning",
    "HlsModel",
    "config_from_keras_model",
    "convert_from_config",
    "convert_from_keras_model",
    "converters",
    "model",
    "report",
    "utils",
]
