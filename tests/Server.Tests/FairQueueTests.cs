using Kotonoha.Server.Work;

namespace Kotonoha.Server.Tests;

public sealed class FairQueueTests
{
    [Fact]
    public async Task Whoever_has_the_fewest_running_comes_next_and_the_longest_wait_decides_among_equals()
    {
        var queue = new FairQueue(maxRunning: 2, maxWaitingPerCaller: 10, maxWaiting: 20);
        var (first, second) = (await queue.EnterAsync("a", 1, default), await queue.EnterAsync("a", 1, default));
        var order = new List<string>();
        var waiting = new[] { "a", "a", "b", "c", "b" }.Select(caller => WaitAsync(queue, caller, order)).ToArray();
        Assert.Equal(5, queue.Waiting);

        // a has one running when the first place is free, the others none; then none either, and has waited longest.
        first!.Dispose();
        await UntilAsync(() => order.Count == 1);
        second!.Dispose();
        await UntilAsync(() => order.Count == 2);
        Assert.Equal(["b", "a"], order);
        (await waiting[2])!.Dispose();
        await UntilAsync(() => order.Count == 3);

        // a has one running, b and c none.
        Assert.Equal("c", order[2]);
    }

    [Fact]
    public async Task A_full_queue_refuses_by_caller_and_as_a_whole()
    {
        var queue = new FairQueue(maxRunning: 1, maxWaitingPerCaller: 1, maxWaiting: 2);
        using var running = await queue.EnterAsync("a", 1, default);
        var waits = new[] { queue.EnterAsync("a", 1, default).AsTask(), queue.EnterAsync("b", 1, default).AsTask() };
        Assert.Null(await queue.EnterAsync("a", 1, default));
        Assert.Null(await queue.EnterAsync("c", 1, default));
        running!.Dispose();
        foreach (var wait in waits)
            (await wait)!.Dispose();
        Assert.Equal((0, 0), (queue.Running, queue.Waiting));
    }

    [Fact]
    public async Task Who_gives_up_leaves_no_place_taken_and_keeps_nobody_waiting()
    {
        var queue = new FairQueue(maxRunning: 4, maxWaitingPerCaller: 10, maxWaiting: 10);
        using var running = await queue.EnterAsync("a", 2, default);
        using var gone = new CancellationTokenSource();

        // A heavy request waits for four places; a light one behind it would fit.
        var heavy = queue.EnterAsync("b", 4, gone.Token).AsTask();
        var light = queue.EnterAsync("c", 1, default).AsTask();
        Assert.False(light.IsCompleted);
        await gone.CancelAsync();
        await Assert.ThrowsAsync<TaskCanceledException>(() => heavy);
        (await light)!.Dispose();
        Assert.Equal((2, 0), (queue.Running, queue.Waiting));
    }

    [Fact]
    public async Task Places_are_never_more_than_there_are_under_random_comings_and_goings()
    {
        var queue = new FairQueue(maxRunning: 5, maxWaitingPerCaller: 50, maxWaiting: 100);
        int running = 0, most = 0, answered = 0;
        await Parallel.ForAsync(0, 200, new ParallelOptions { MaxDegreeOfParallelism = 60 }, async (i, _) =>
        {
            int weight = 1 + (i % 3);
            using var patience = new CancellationTokenSource(i % 7 == 0 ? 1 : 10_000);
            try
            {
                using var place = await queue.EnterAsync($"caller {i % 4}", weight, patience.Token);
                if (place is null)
                    return;
                int now = Interlocked.Add(ref running, weight);
                InterlockedMax(ref most, now);
                await Task.Delay(i % 3, CancellationToken.None);
                Interlocked.Add(ref running, -weight);
                Interlocked.Increment(ref answered);
            }
            catch (OperationCanceledException)
            {
                // Gave up.
            }
        });
        Assert.InRange(most, 1, 5);
        Assert.True(answered > 100);
        Assert.Equal((0, 0), (queue.Running, queue.Waiting));
    }

    private static async Task<IDisposable?> WaitAsync(FairQueue queue, string caller, List<string> order)
    {
        var place = await queue.EnterAsync(caller, 1, default);
        lock (order)
            order.Add(caller);
        return place;
    }

    private static async Task UntilAsync(Func<bool> holds)
    {
        for (int i = 0; i < 1000 && !holds(); i++)
            await Task.Delay(5);
        Assert.True(holds());
    }

    private static void InterlockedMax(ref int target, int value)
    {
        int seen;
        while ((seen = Volatile.Read(ref target)) < value && Interlocked.CompareExchange(ref target, value, seen) != seen)
        {
            // Somebody else was faster.
        }
    }
}
