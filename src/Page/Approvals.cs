using Kotonoha.Agents.AgentFiles;

namespace Kotonoha.Page;

/// <summary>A call that waits for the person.</summary>
/// <param name="Question">The call.</param>
/// <param name="Answer">Ends when the person has answered.</param>
internal sealed record PendingCall(ApprovalQuestion Question, TaskCompletionSource<bool> Answer);

/// <summary>Asks the person before tools are called, one call after the other.</summary>
/// <param name="changed">Draws what has changed; called from any thread.</param>
internal sealed class Approvals(Func<Task> changed)
{
    private readonly HashSet<string> _always = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim _turn = new(1);

    /// <summary>The call that waits, or null.</summary>
    public PendingCall? Pending { get; private set; }

    /// <summary>Whether a call may be made.</summary>
    public async ValueTask<bool> AskAsync(ApprovalQuestion question, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            if (_always.Contains(question.Tool))
                return true;
            var answer = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
            Pending = new PendingCall(question, answer);
            await changed();
            return await answer.Task.WaitAsync(cancellationToken);
        }
        finally
        {
            Pending = null;
            _turn.Release();
            await changed();
        }
    }

    /// <summary>What the person says.</summary>
    /// <param name="isAllowed">Whether the call may be made.</param>
    /// <param name="always">Whether later calls of the tool are made unasked.</param>
    public void Answer(bool isAllowed, bool always = false)
    {
        if (Pending is not { } pending)
            return;
        if (isAllowed && always)
            _always.Add(pending.Question.Tool);
        pending.Answer.TrySetResult(isAllowed);
    }

    /// <summary>Asks again from now on.</summary>
    public void Forget() => _always.Clear();
}
