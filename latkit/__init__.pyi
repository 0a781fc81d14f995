from latkit import devices as devices
from latkit import latency_models as latency_models
from latkit import measurements as measurements
from latkit import ops as ops
from latkit import runtimes as runtimes
from latkit import search as search
from latkit import spaces as spaces
from latkit import timing as timing
from latkit import zoo as zoo
from latkit.devices import Device as Device
from latkit.errors import LatkitError as LatkitError
from latkit.latency_models import LatencyModel as LatencyModel
from latkit.latency_models import LookupModel as LookupModel
from latkit.latency_models import XGBoostModel as XGBoostModel
from latkit.nn import build_module as build_module
from latkit.ops import Network as Network
from latkit.ops import Op as Op
from latkit.ops import make_op as make_op
from latkit.profiling.profile import ModelRequest as ModelRequest
from latkit.profiling.profile import Profile as Profile
from latkit.profiling.profile import ProfileRequest as ProfileRequest
from latkit.progress import Callbacks as Callbacks
from latkit.spaces import Space as Space
from latkit.tables import LatencyTable as LatencyTable
from latkit.targets import Target as Target
from latkit.timing import Estimate as Estimate
from latkit.timing import Measurement as Measurement
from latkit.timing import TimingPlan as TimingPlan
from latkit.workspace import Workspace as Workspace
from latkit.workspace.requests import AddDeviceRequest as AddDeviceRequest
from latkit.workspace.requests import CollectRequest as CollectRequest
from latkit.workspace.requests import CompareRequest as CompareRequest
from latkit.workspace.requests import FitRequest as FitRequest
from latkit.workspace.requests import PredictRequest as PredictRequest
from latkit.workspace.requests import ReportRequest as ReportRequest
from latkit.workspace.requests import ReproduceRequest as ReproduceRequest
from latkit.workspace.requests import SearchRequest as SearchRequest
from latkit.workspace.requests import TrainSupernetRequest as TrainSupernetRequest
from latkit.workspace.requests import ValidateRequest as ValidateRequest

__version__: str

__all__ = [
    "AddDeviceRequest",
    "Callbacks",
    "CollectRequest",
    "CompareRequest",
    "Device",
    "Estimate",
    "FitRequest",
    "LatencyModel",
    "LatencyTable",
    "LatkitError",
    "LookupModel",
    "Measurement",
    "ModelRequest",
    "Network",
    "Op",
    "PredictRequest",
    "Profile",
    "ProfileRequest",
    "ReportRequest",
    "ReproduceRequest",
    "SearchRequest",
    "Space",
    "Target",
    "TimingPlan",
    "TrainSupernetRequest",
    "ValidateRequest",
    "Workspace",
    "XGBoostModel",
    "__version__",
    "build_module",
    "devices",
    "latency_models",
    "make_op",
    "measurements",
    "ops",
    "runtimes",
    "search",
    "spaces",
    "timing",
    "zoo",
]
