from latkit.search.data import DataSplit as DataSplit
from latkit.search.data import load_data as load_data
from latkit.search.gradient.settings import SearchSettings as SearchSettings
from latkit.search.objectives.constraints import Constraint as Constraint
from latkit.search.records.problem import Problem as Problem
from latkit.search.records.result import Recipe as Recipe
from latkit.search.records.result import SearchResult as SearchResult
from latkit.search.run import run_search as run_search
from latkit.search.supernet.elastic.module_net import ElasticModule as ElasticModule
from latkit.search.supernet.elastic.module_net import elastic as elastic
from latkit.search.training.trained_network import TrainedNetwork as TrainedNetwork
from latkit.search.training.trained_network import load_network as load_network

__all__ = [
    "Constraint",
    "DataSplit",
    "ElasticModule",
    "Problem",
    "Recipe",
    "SearchResult",
    "SearchSettings",
    "TrainedNetwork",
    "elastic",
    "load_data",
    "load_network",
    "run_search",
]
