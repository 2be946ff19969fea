// libtorch has one random generator and one number of threads for the whole process, and the tests count its tensors.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
