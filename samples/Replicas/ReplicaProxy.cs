using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Yarp.ReverseProxy.Configuration;
using Yarp.ReverseProxy.Forwarder;
using Yarp.ReverseProxy.Health;
using Yarp.ReverseProxy.LoadBalancing;
using Yarp.ReverseProxy.Model;
using Yarp.ReverseProxy.SessionAffinity;

namespace Kotonoha.Samples.Replicas;

/// <summary>One address for several servers.</summary>
internal static class ReplicaProxy
{
    private const string Cluster = "replicas";
    private const long MaxBodyBytes = 64 << 20;

    private static readonly TimeSpan HealthInterval = TimeSpan.FromSeconds(1);

    // A replica that computes on all cores answers late; one that has died is refused at once.
    private static readonly TimeSpan HealthTimeout = TimeSpan.FromSeconds(5);

    public static WebApplication Build(Uri url, IReadOnlyList<Uri> replicas)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.SetMinimumLevel(LogLevel.Warning).AddFilter("Yarp.ReverseProxy", LogLevel.None);
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Limits.MaxRequestBodySize = MaxBodyBytes);
        builder.Services.AddReverseProxy().LoadFromMemory(
            [new RouteConfig { RouteId = "all", ClusterId = Cluster, Match = new RouteMatch { Path = "{**path}" } }],
            [Describe(replicas)]);
        var app = builder.Build();
        app.Urls.Add(url.GetLeftPart(UriPartial.Authority));
        app.MapReverseProxy(pipeline =>
        {
            pipeline.Use(RetryAsync);
            pipeline.UseSessionAffinity();
            pipeline.UseLoadBalancing();
            pipeline.UsePassiveHealthChecks();
        });
        return app;
    }

    private static ClusterConfig Describe(IReadOnlyList<Uri> replicas) => new()
    {
        ClusterId = Cluster,
        LoadBalancingPolicy = LoadBalancingPolicies.LeastRequests,

        // The page lives on one replica. Programs send no cookies, so that their requests go anywhere.
        SessionAffinity = new SessionAffinityConfig
        {
            Enabled = true,
            Policy = SessionAffinityConstants.Policies.HashCookie,
            FailurePolicy = SessionAffinityConstants.FailurePolicies.Redistribute,
            AffinityKeyName = "kotonoha-replica",
        },
        HealthCheck = new HealthCheckConfig
        {
            Active = new ActiveHealthCheckConfig
            {
                Enabled = true,
                Interval = HealthInterval,
                Timeout = HealthTimeout,
                Policy = HealthCheckConstants.ActivePolicy.ConsecutiveFailures,
                Path = "/health/ready",
            },
        },
        Metadata = new Dictionary<string, string> { [ConsecutiveFailuresHealthPolicyOptions.ThresholdMetadataName] = "1" },

        // Longer than the replicas' own deadline.
        HttpRequest = new ForwarderRequestConfig { ActivityTimeout = TimeSpan.FromMinutes(11) },
        Destinations = replicas.Index().ToDictionary(
            replica => $"replica-{replica.Index + 1}", replica => new DestinationConfig { Address = replica.Item.AbsoluteUri }),
    };

    // Until the next check finds that a replica has died, what it has not begun to answer is sent to another one: to those that the last
    // check found well, then to the others.
    private static async Task RetryAsync(HttpContext context, Func<Task> next)
    {
        context.Request.EnableBuffering();
        var feature = context.GetReverseProxyFeature();
        var (well, tried) = (feature.AvailableDestinations, new HashSet<DestinationState>());
        while (true)
        {
            await next();
            if (feature.ProxiedDestination is { } last)
                tried.Add(last);
            if (context.GetForwarderErrorFeature() is null || context.Response.HasStarted || context.RequestAborted.IsCancellationRequested)
                return;
            var left = well.Where(destination => !tried.Contains(destination)).ToList();
            if (left.Count == 0)
                left = [.. feature.AllDestinations.Where(destination => !tried.Contains(destination))];
            if (left.Count == 0)
                return;
            context.Response.Clear();
            context.Request.Body.Position = 0;
            context.Features.Set<IForwarderErrorFeature>(null);
            feature.AvailableDestinations = left;
        }
    }
}
