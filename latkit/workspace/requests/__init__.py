"""Requests: one frozen record per verb, the same for the command line and Python."""

from latkit.workspace.requests.base import CollectRequest, MeasureRequest, PlannedRequest, Request, Tool
from latkit.workspace.requests.devices import AddDeviceRequest, DoctorRequest
from latkit.workspace.requests.measurements import ExportMeasurementsRequest, ImportMeasurementsRequest
from latkit.workspace.requests.models import (
    ExportTableRequest,
    FitRequest,
    ImportTableRequest,
    PredictRequest,
    ValidateRequest,
)
from latkit.workspace.requests.search import (
    BenchmarkSearchRequest,
    CompareRequest,
    ReportRequest,
    ReproduceRequest,
    SearchRequest,
)
from latkit.workspace.requests.supernet import SpecializeRequest, TrainSupernetRequest

__all__ = [
    "AddDeviceRequest",
    "BenchmarkSearchRequest",
    "CollectRequest",
    "CompareRequest",
    "DoctorRequest",
    "ExportMeasurementsRequest",
    "ExportTableRequest",
    "FitRequest",
    "ImportMeasurementsRequest",
    "ImportTableRequest",
    "MeasureRequest",
    "PlannedRequest",
    "PredictRequest",
    "ReportRequest",
    "ReproduceRequest",
    "Request",
    "SearchRequest",
    "SpecializeRequest",
    "Tool",
    "TrainSupernetRequest",
    "ValidateRequest",
]
