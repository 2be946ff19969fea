using System.Diagnostics;
using System.Diagnostics.Metrics;
using Kotonoha.Server.Models;
using Kotonoha.Server.Work;

namespace Kotonoha.Server;

/// <summary>Measurements by OpenTelemetry's conventions for generative models.</summary>
internal sealed class Telemetry : IDisposable
{
    public const string SourceName = "Kotonoha.Server";

    private static readonly double[] Seconds = [0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];

    private readonly Meter _meter = new(SourceName);
    private readonly Histogram<double> _duration, _first, _token;
    private readonly Counter<long> _tokens, _refused;
    private readonly Counter<double> _cost;
    private readonly PriceTable _prices;

    public Telemetry(Workload load, ModelPool pool, PriceTable prices)
    {
        _prices = prices;
        _cost = _meter.CreateCounter<double>("kotonoha.cost", null, "What tokens cost, by the table of prices.");
        _duration = Seconded("gen_ai.server.request.duration", "Time from the request to the end of its answer.");
        _first = Seconded("gen_ai.server.time_to_first_token", "Time from the request to the first token.");
        _token = Seconded("gen_ai.server.time_per_output_token", "Time for each token after the first.");
        _tokens = _meter.CreateCounter<long>("kotonoha.tokens", "{token}", "Tokens read and written.");
        _refused = _meter.CreateCounter<long>("kotonoha.requests.refused", "{request}", "Requests refused by a limit.");
        _meter.CreateObservableGauge("kotonoha.requests.running", () => load.Running, "{request}", "Answers being computed.");
        _meter.CreateObservableGauge(
            "kotonoha.requests.waiting", () => load.Waiting, "{request}",
            "Requests that wait, for a place or for room in their model's cache.");
        _meter.CreateObservableGauge("kotonoha.models.loaded", () => pool.Loaded.Count, "{model}", "Models in memory.");
        _meter.CreateObservableGauge("kotonoha.models.bytes", () => pool.Loaded.Sum(model => model.Bytes), "By", "Their bytes.");
    }

    public void Refused(string why) => _refused.Add(1, new KeyValuePair<string, object?>("reason", why));

    public void Answered(AdmittedRequest work)
    {
        var (model, whole) = (work.ModelName, work.Elapsed);
        var tags = new TagList
        {
            { "gen_ai.operation.name", work.Operation },
            { "gen_ai.provider.name", "kotonoha" },
            { "gen_ai.request.model", model },
        };
        _tokens.Add(work.InputTokens, [new("gen_ai.request.model", model), new("gen_ai.token.type", "input")]);
        _tokens.Add(work.OutputTokens, [new("gen_ai.request.model", model), new("gen_ai.token.type", "output")]);
        if (_prices.Cost(model, work.InputTokens, work.OutputTokens) is { } cost)
            _cost.Add((double)cost, [new("gen_ai.request.model", model), new("currency", _prices.Currency)]);
        if (work.First is { } start)
        {
            _first.Record(start.TotalSeconds, tags);
            if (work.OutputTokens > 1)
                _token.Record((whole - start).TotalSeconds / (work.OutputTokens - 1), tags);
        }

        if (work.Error is { } error)
            tags.Add("error.type", error);
        _duration.Record(whole.TotalSeconds, tags);
    }

    public void Dispose() => _meter.Dispose();

    private Histogram<double> Seconded(string name, string description) => _meter.CreateHistogram(
        name, "s", description, advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = Seconds });
}
