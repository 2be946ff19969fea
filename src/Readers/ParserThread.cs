namespace Kotonoha.Readers;

/// <summary>Runs a parser with room for its recursion and a time limit.</summary>
internal static class ParserThread
{
    /// <summary>Runs a reader on a thread of its own.</summary>
    /// <remarks>.NET cannot stop a thread: a parser that ignores its token goes on in the background after the time limit, but nobody waits
    /// for it.</remarks>
    internal static async Task<ExtractedDocument> RunAsync(
        string name, Func<CancellationToken, ValueTask<ExtractedDocument>> read, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(DocumentLimits.MaxReadMs);
        var completion = new TaskCompletionSource<ExtractedDocument>(TaskCreationOptions.RunContinuationsAsynchronously);
        var token = limit.Token;
        var thread = new Thread(
            () =>
            {
                try
                {
                    completion.TrySetResult(read(token).AsTask().GetAwaiter().GetResult());
                }
                catch (Exception error)
                {
                    completion.TrySetException(error);
                }
            },
            DocumentLimits.ParserStackBytes)
        {
            IsBackground = true,
            Name = "document parser",
        };
        thread.Start();
        try
        {
            return await completion.Task.WaitAsync(token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // Nobody will look at what the abandoned parser throws later.
            _ = completion.Task.ContinueWith(static task => _ = task.Exception, TaskScheduler.Default);
            throw new DocumentFormatException($"'{name}' took longer than {DocumentLimits.MaxReadMs / 1000} s to read and was given up.")
            {
                IsDeterministic = false,
            };
        }
    }
}
