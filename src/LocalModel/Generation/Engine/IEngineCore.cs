namespace Kotonoha.LocalModel.Generation.Engine;

/// <summary>What an <see cref="EngineThread{TJob}"/> drives: it holds the running jobs and works on them step by step. All methods run on that thread.</summary>
/// <typeparam name="TJob">The kind of work.</typeparam>
internal interface IEngineCore<TJob>
    where TJob : IEngineJob
{
    /// <summary>The jobs that run.</summary>
    int ActiveJobs { get; }

    /// <summary>Whether there is room for a job beside the running ones.</summary>
    bool CanAdmit(TJob job);

    /// <summary>Takes a job up.</summary>
    void Admit(TJob job);

    /// <summary>Runs one step; jobs that are done, cancelled or failed leave.</summary>
    void Step();

    /// <summary>Ends all jobs with an error.</summary>
    void FailAll(Func<TJob, Exception> reason);
}
