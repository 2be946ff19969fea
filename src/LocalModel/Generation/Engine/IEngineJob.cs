namespace Kotonoha.LocalModel.Generation.Engine;

/// <summary>A piece of work of an engine.</summary>
internal interface IEngineJob
{
    /// <summary>Ends the job early.</summary>
    CancellationToken Cancellation { get; }

    /// <summary>Ends the job with an error.</summary>
    void Fail(Exception exception);
}
