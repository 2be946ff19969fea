using Kotonoha.Server.Models;

namespace Kotonoha.Server.Work;

/// <summary>How busy the server is, for those who watch.</summary>
internal sealed class Workload(FairQueue queue, ModelPool pool)
{
    /// <summary>The answers that are being computed.</summary>
    public int Running => Math.Max(0, queue.Running - pool.Waiting);

    /// <summary>The requests that wait: for a place, or with a place for room in their model's key/value cache.</summary>
    public int Waiting => queue.Waiting + pool.Waiting;
}
