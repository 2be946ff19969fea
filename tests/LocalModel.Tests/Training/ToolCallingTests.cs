using Kotonoha.Samples.ToolCalling;

namespace Kotonoha.LocalModel.Tests.Training;

/// <summary>The whole way from conversations to a model that calls functions.</summary>
public sealed class ToolCallingTests
{
    private const int Requests = 200;

    [Fact]
    public void No_value_of_a_held_out_request_is_in_the_training_data()
    {
        var training = new ToolCallingData(1);
        var values = Enumerable.Range(0, 3000).SelectMany(_ => Values(training.Request())).ToHashSet();
        var heldOut = new ToolCallingData(2, ValuePool.HeldOut);
        var unseen = Enumerable.Range(0, 1000).SelectMany(_ => Values(heldOut.Request())).Distinct().ToList();
        Assert.True(values.Count > 1000 && unseen.Count > 500, $"{values.Count} and {unseen.Count} values");
        Assert.Empty(unseen.Intersect(values));

        // Currencies are an enumeration, not values.
        static IEnumerable<string> Values(ToolRequest request)
            => request.Call is { Name: not "convert_money" } call ? call.Arguments.EnumerateObject().Select(p => p.Value.ToString()) : [];
    }

    [Fact]
    public async Task A_model_trained_here_calls_the_right_function_with_names_and_values_it_has_never_seen()
    {
        using var gpt = await ToolCallingGpt.LoadAsync();
        var data = new ToolCallingData(77, ValuePool.HeldOut);
        var requests = Enumerable.Range(0, Requests).Select(_ => data.Request()).ToList();
        var answers = await ToolCallingGpt.AskAsync(gpt, requests);
        var wrong = requests.Zip(answers).Where(pair => !ToolCallingGpt.IsRight(pair.First, pair.Second)).ToList();
        Assert.True(wrong.Count <= Requests / 10,
            $"{wrong.Count} of {Requests} are wrong:\n{string.Join('\n', wrong.Select(w => $"{w.First.Text} -> {w.Second}"))}");
    }
}
